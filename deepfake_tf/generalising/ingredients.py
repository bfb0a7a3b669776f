"""What a detector is made with, and what may be changed of it: all settings of the stage, in one place.

A recipe says how clips are cut, what is learned from and how the network is trained. An ingredient is one change of the
recipe. What each change does is measured, see LOG.md, whose tables a command writes; a comment here says no figure.
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from deepfake_tf.errors import ConfigError
from deepfake_tf.learning.settings import TrainSettings
from deepfake_tf.schema import ClipSpec

# A clip is one frame: a mean over frames after the network says the same as clips of several, photographs are clips as
# they are, and a step sees more scenes. Sixteen of them are spread over a video.
SPEC = ClipSpec(
    num_frames=1,
    clips_per_video=16,
    placement="spread",
    # At this size and margin a face is as fine as in crops of 160 pixels with the usual margin, at half of their cost.
    crop_size_px=112,
    margin=0.15,
    max_tracks=2,
)

TRAIN = TrainSettings(
    backbone="high_pass_cnn",
    head="mean",
    dropout=0.1,
    # Every real stands beside its own fake, and both are compressed, scaled and coloured alike afterwards: neither
    # scene nor codec tells them apart.
    balance="pairs",
    blended_share=1 / 3,
    # Most faces are larger than a crop, and compression hurts them less once they are shrunk to it.
    recipe="light",
    batch_size=32,
    optimizer="adamw",
    learning_rate=2e-3,
    weight_decay=0.01,
    schedule="cosine",
    warmup_epochs=0.5,
    clip_norm=5.0,
    # Nothing is validated: the last epoch is kept, so that nothing is chosen on what is measured.
    patience=0,
)


@dataclass(frozen=True)
class Recipe:
    """All that makes a detector, apart from how long it learns.

    Attributes:
        spec: how clips are cut.
        train: how the network is trained; `epochs` follows from the time there is.
        photographs: learn from photographs and fakes of them: self-blends and those below.
        videos: learn from real videos and fakes of them, likewise.
        swapped: learn from fakes with another person's face as well, as `train.blended_share` leaves room.
        reconstructed: learn from fakes whose face an autoencoder drew as well, likewise.
        real_fakes: learn from fakes of other methods as well, likewise.
    """

    spec: ClipSpec = SPEC
    train: TrainSettings = TRAIN
    photographs: bool = True
    videos: bool = True
    swapped: bool = True
    reconstructed: bool = True
    real_fakes: bool = False

    def __post_init__(self) -> None:
        if not (self.photographs or self.videos):
            raise ConfigError("A recipe needs photographs, videos or both to learn from.")

    def to_json(self) -> dict[str, Any]:
        """Returns the recipe as plain JSON values."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Returns the recipe that `to_json` wrote.

        Raises:
            ConfigError: a setting is unknown or makes no sense.
        """
        own = {**values, "spec": ClipSpec.from_json(values["spec"]), "train": TrainSettings.from_json(values["train"])}
        return cls(**own)


@dataclass(frozen=True)
class Ingredient:
    """One change of a recipe.

    Attributes:
        what: in words.
        spec: changed fields of the ClipSpec.
        train: changed fields of the TrainSettings.
        recipe: other changed fields of the Recipe.
    """

    what: str
    spec: Mapping[str, Any] = field(default_factory=dict)
    train: Mapping[str, Any] = field(default_factory=dict)
    recipe: Mapping[str, Any] = field(default_factory=dict)

    def added_to(self, recipe: Recipe) -> Recipe:
        """Returns the changed recipe; settings of the same backbone that are not changed stay."""
        train = dict(self.train)
        if "backbone" not in train:
            train["backbone_settings"] = {**recipe.train.backbone_settings, **train.get("backbone_settings", {})}
        return dataclasses.replace(
            recipe,
            spec=dataclasses.replace(recipe.spec, **self.spec),
            train=dataclasses.replace(recipe.train, **train),
            **self.recipe,
        )


BASE = "base"
BACKGROUND = "background_only"
"""Not to be chosen, but to be at chance: it learns and judges without the face."""
OTHER_SEED = "other_seed"
"""Not to be chosen, but to say by how much two trainings of one recipe differ: what gains less is not taken."""

INGREDIENTS: Mapping[str, Ingredient] = {
    BASE: Ingredient("the recipe as it stands"),
    "photographs_only": Ingredient("no fakes of videos", recipe={"videos": False}),
    "videos_only": Ingredient("no fakes of photographs", recipe={"photographs": False}),
    "unpaired": Ingredient("a fake stands beside any real", train={"balance": "class"}),
    "real_fakes": Ingredient(
        "half of the fakes are real ones, of other methods, and half self-blends",
        train={"blended_share": 0.5},
        recipe={"swapped": False, "reconstructed": False, "real_fakes": True},
    ),
    "self_blended": Ingredient(
        "all fakes are self-blends", train={"blended_share": 1.0}, recipe={"swapped": False, "reconstructed": False}
    ),
    "swapped": Ingredient(
        "half of the fakes wear another person's face",
        train={"blended_share": 0.5},
        recipe={"swapped": True, "reconstructed": False},
    ),
    "reconstructed": Ingredient(
        "half of the fakes were drawn by autoencoders",
        train={"blended_share": 0.5},
        recipe={"swapped": False, "reconstructed": True},
    ),
    "robust": Ingredient("heavier compression, blur and noise", train={"recipe": "robust"}),
    "no_compression": Ingredient("mirroring and colour alone", train={"recipe": "fine"}),
    "colours": Ingredient("the network sees colours alone", train={"backbone_settings": {"sees": "colours"}}),
    "detail": Ingredient("the network sees detail alone", train={"backbone_settings": {"sees": "detail"}}),
    "frozen": Ingredient("the backbone keeps its weights", train={"backbone_settings": {"trainable": "none"}}),
    "from_nothing": Ingredient(
        "the same network without its weights", train={"backbone_settings": {"weights": "none"}, "backbone_rate": 1.0}
    ),
    "wide": Ingredient("twice the channels", train={"backbone_settings": {"channels": [32, 64, 128, 192]}}),
    "small_cnn": Ingredient(
        "a plain network",
        train={
            "backbone": "small_cnn",
            "backbone_settings": {"channels": [16, 32, 64, 96, 128]},
            "backbone_rate": 1.0,
        },
    ),
    "meso_inception_4": Ingredient(
        "another network", train={"backbone": "meso_inception_4", "backbone_settings": {}, "backbone_rate": 1.0}
    ),
    "margin": Ingredient("more around the face", spec={"margin": 0.3}),
    "aligned": Ingredient("eyes made level", spec={"alignment": "eyes"}),
    "small": Ingredient("crops of 112 pixels", spec={"crop_size_px": 112}),
    "large": Ingredient("crops of 160 pixels", spec={"crop_size_px": 160}),
    "larger": Ingredient("crops of 224 pixels", spec={"crop_size_px": 224}),
    "over_time": Ingredient(
        "clips of eight frames and an LSTM",
        spec={"num_frames": 8, "clips_per_video": 4, "placement": "even"},
        train={"head": "lstm"},
    ),
    "ema": Ingredient("averaged weights", train={"ema": 0.99}),
    "mixed": Ingredient("half of the fakes are mixed with their reals", train={"mixed_share": 0.5}),
    "smoothed": Ingredient("smoothed labels", train={"label_smoothing": 0.1}),
    OTHER_SEED: Ingredient("the same, begun and drawn otherwise", train={"seed": 1_000_003}),
    BACKGROUND: Ingredient("faces are blacked out", train={"recipe": "background"}),
}
"""What can be asked for by name."""


def find(name: str) -> Ingredient:
    """Returns an ingredient by its name.

    Raises:
        ConfigError: there is no such ingredient.
    """
    if name not in INGREDIENTS:
        raise ConfigError(f"There is no ingredient {name!r}. There are: {', '.join(INGREDIENTS)}.")
    return INGREDIENTS[name]


def with_backbone(recipe: Recipe, backbone: str, weights: str) -> Recipe:
    """Returns a recipe with another network that may start from weights.

    From weights its learning rate is a tenth for the backbone, since what was learned elsewhere is kept at first, and
    crops are larger, nearer to the pictures that its weights were learned from.

    Args:
        recipe: to change.
        backbone: name of a file in backbones/.
        weights: what its `build` takes: "none", the name of a preset, a file or a folder.
    """
    changed: dict[str, Any] = {"backbone": backbone, "backbone_settings": {}}
    if weights != "none":
        recipe = find("large").added_to(recipe)
        changed |= {"backbone_settings": {"weights": weights}, "backbone_rate": 0.1}
    train = TrainSettings.from_json({**recipe.train.to_json(), **changed})
    return dataclasses.replace(recipe, train=train)
