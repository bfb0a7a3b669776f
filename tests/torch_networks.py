"""The networks that ours are held against, in plain PyTorch, with the parameter names of the originals.

Shape letters: B frames, C channels, H = W pixels, N tokens, D features.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

# CoAtNet, with the names of chinhsuanwu/coatnet-pytorch ---------------------------------------------------------------


class MBConv(nn.Module):
    def __init__(self, width_in: int, width: int, halve: bool) -> None:
        super().__init__()
        inner = 4 * width_in
        self.halve = halve
        if halve:
            self.proj = nn.Conv2d(width_in, width, 1, bias=False)
        squeeze = nn.Module()
        squeeze.fc = nn.Sequential(
            nn.Linear(inner, width_in // 4, bias=False),
            nn.GELU(),
            nn.Linear(width_in // 4, inner, bias=False),
            nn.Sigmoid(),
        )
        self.conv = nn.Module()
        self.conv.norm = nn.BatchNorm2d(width_in)
        self.conv.fn = nn.Sequential(
            nn.Conv2d(width_in, inner, 1, 2 if halve else 1, bias=False),
            nn.BatchNorm2d(inner),
            nn.GELU(),
            nn.Conv2d(inner, inner, 3, padding=1, groups=inner, bias=False),
            nn.BatchNorm2d(inner),
            nn.GELU(),
            squeeze,
            nn.Conv2d(inner, width, 1, bias=False),
            nn.BatchNorm2d(width),
        )

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv.norm(x)
        for number, layer in enumerate(self.conv.fn):
            y = y * layer.fc(y.mean((2, 3)))[:, :, None, None] if number == 6 else layer(y)
        return y + (self.proj(functional.max_pool2d(x, 3, 2, 1)) if self.halve else x)


class RelativeAttention(nn.Module):
    def __init__(self, width_in: int, width: int, side: int) -> None:
        super().__init__()
        self.relative_bias_table = nn.Parameter(torch.zeros((2 * side - 1) ** 2, 8))
        y, x = (axis.flatten() for axis in torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij"))
        rows = (y[:, None] - y[None] + side - 1) * (2 * side - 1) + (x[:, None] - x[None] + side - 1)
        self.register_buffer("relative_index", rows)
        self.to_qkv = nn.Linear(width_in, 768, bias=False)
        self.to_out = nn.Sequential(nn.Linear(256, width), nn.Dropout(0.0))

    def forward(self, x: Tensor) -> Tensor:
        num_frames, num_cells, _ = x.shape
        q, k, v = self.to_qkv(x).view(num_frames, num_cells, 3, 8, 32).permute(2, 0, 3, 1, 4)
        bias = self.relative_bias_table[self.relative_index].permute(2, 0, 1)
        x = functional.scaled_dot_product_attention(q, k, v, attn_mask=bias[None].to(q.dtype))
        return self.to_out(x.transpose(1, 2).reshape(num_frames, num_cells, 256))


class Normalised(nn.Module):
    def __init__(self, width: int, fn: nn.Module) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.fn = fn

    def forward(self, x: Tensor) -> Tensor:
        return self.fn(self.norm(x))


class FeedForward(nn.Module):
    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(width, inner), nn.GELU(), nn.Dropout(0.0), nn.Linear(inner, width), nn.Dropout(0.0)
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x)


class Attention(nn.Module):
    def __init__(self, width_in: int, width: int, halve: bool, side: int) -> None:
        super().__init__()
        self.halve = halve
        if halve:
            self.proj = nn.Conv2d(width_in, width, 1, bias=False)
        # The original has a reshaping layer without weights at 0.
        self.attn = nn.Sequential(nn.Identity(), Normalised(width_in, RelativeAttention(width_in, width, side)))
        self.ff = nn.Sequential(nn.Identity(), Normalised(width, FeedForward(width, 4 * width_in)))

    def forward(self, x: Tensor) -> Tensor:
        short = x
        if self.halve:
            x = functional.max_pool2d(x, 3, 2, 1)
            short = self.proj(x)
        num_frames, _, side, _ = x.shape
        y = self.attn(x.flatten(2).transpose(1, 2))
        x = short.flatten(2).transpose(1, 2) + y
        x = x + self.ff(x)
        return x.transpose(1, 2).reshape(num_frames, -1, side, side)


class CoAtNet(nn.Module):
    def __init__(self, depths, channels, image_size: int = 224, num_classes: int = 0) -> None:
        super().__init__()
        width_in = 3
        self.s0 = nn.Sequential()
        for number in range(depths[0]):
            conv = nn.Conv2d(width_in, channels[0], 3, 1 if number else 2, 1, bias=False)
            self.s0.append(nn.Sequential(conv, nn.BatchNorm2d(channels[0]), nn.GELU()))
            width_in = channels[0]
        for stage in range(1, 5):
            blocks = nn.Sequential()
            for number in range(depths[stage]):
                side = image_size >> (stage + 1)
                more = [side] if stage > 2 else []
                blocks.append((Attention if stage > 2 else MBConv)(width_in, channels[stage], number == 0, *more))
                width_in = channels[stage]
            setattr(self, f"s{stage}", blocks)
        self.fc = nn.Linear(width_in, num_classes, bias=False) if num_classes else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        x = self.s4(self.s3(self.s2(self.s1(self.s0(x)))))
        return self.fc(x.mean((2, 3)))


# ResNet, with the names of torchvision --------------------------------------------------------------------------------


class Residual(nn.Module):
    def __init__(self, width_in: int, width: int, stride: int, bottleneck: bool) -> None:
        super().__init__()
        out = width * (4 if bottleneck else 1)
        sizes = [(1, 1), (3, stride), (1, 1)] if bottleneck else [(3, stride), (3, 1)]
        widths = [width_in, width, width, out] if bottleneck else [width_in, width, out]
        self.num_convs = len(sizes)
        for number, (size, step) in enumerate(sizes):
            conv = nn.Conv2d(widths[number], widths[number + 1], size, step, size // 2, bias=False)
            setattr(self, f"conv{number + 1}", conv)
            setattr(self, f"bn{number + 1}", nn.BatchNorm2d(widths[number + 1]))
        self.downsample = None
        if stride != 1 or width_in != out:
            self.downsample = nn.Sequential(nn.Conv2d(width_in, out, 1, stride, bias=False), nn.BatchNorm2d(out))

    def forward(self, x: Tensor) -> Tensor:
        y = x
        for number in range(1, self.num_convs + 1):
            y = getattr(self, f"bn{number}")(getattr(self, f"conv{number}")(y))
            y = functional.relu(y) if number < self.num_convs else y
        return functional.relu(y + (x if self.downsample is None else self.downsample(x)))


class ResNet(nn.Module):
    def __init__(self, num_blocks, bottleneck: bool) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.layers = []
        width_in = 64
        for stack, depth in enumerate(num_blocks):
            blocks = nn.Sequential()
            for number in range(depth):
                width = 64 * 2**stack
                blocks.append(Residual(width_in, width, 2 if stack and not number else 1, bottleneck))
                width_in = width * (4 if bottleneck else 1)
            setattr(self, f"layer{stack + 1}", blocks)
            self.layers.append(blocks)

    def forward(self, x: Tensor) -> Tensor:
        x = functional.max_pool2d(functional.relu(self.bn1(self.conv1(x))), 3, 2, 1)
        for blocks in self.layers:
            x = blocks(x)
        return x.mean((2, 3))


# Vision transformers: DINO and DINOv2 with the names of facebookresearch ----------------------------------------------


class Scale(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.gamma


class ViTBlock(nn.Module):
    def __init__(self, width: int, num_heads: int, scaled: bool) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.norm1, self.norm2 = nn.LayerNorm(width, 1e-6), nn.LayerNorm(width, 1e-6)
        self.attn, self.mlp = nn.Module(), nn.Module()
        self.attn.qkv, self.attn.proj = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.mlp.fc1, self.mlp.fc2 = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        self.ls1, self.ls2 = (Scale(width), Scale(width)) if scaled else (nn.Identity(), nn.Identity())

    def forward(self, x: Tensor) -> Tensor:
        num_frames, num_tokens, width = x.shape
        qkv = self.attn.qkv(self.norm1(x)).view(num_frames, num_tokens, 3, self.num_heads, -1)
        y = functional.scaled_dot_product_attention(*qkv.permute(2, 0, 3, 1, 4)).transpose(1, 2)
        x = x + self.ls1(self.attn.proj(y.reshape(num_frames, num_tokens, width)))
        return x + self.ls2(self.mlp.fc2(functional.gelu(self.mlp.fc1(self.norm2(x)))))


class ViT(nn.Module):
    def __init__(self, input_size: int, patch_size: int, size: tuple[int, int, int], *, scaled: bool) -> None:
        super().__init__()
        num_blocks, width, num_heads = size
        self.cls_token = nn.Parameter(torch.zeros(1, 1, width))
        self.pos_embed = nn.Parameter(torch.zeros(1, 1 + (input_size // patch_size) ** 2, width))
        if scaled:
            self.mask_token = nn.Parameter(torch.zeros(1, width))
        self.patch_embed = nn.Module()
        self.patch_embed.proj = nn.Conv2d(3, width, patch_size, patch_size)
        self.blocks = nn.ModuleList(ViTBlock(width, num_heads, scaled) for _ in range(num_blocks))
        self.norm = nn.LayerNorm(width, 1e-6)

    def forward(self, x: Tensor) -> Tensor:
        x = self.patch_embed.proj(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.cls_token.expand(len(x), -1, -1), x], 1) + self.pos_embed
        for block in self.blocks:
            x = block(x)
        return self.norm(x)[:, 0]


# CLIP's picture tower, with the names of Hugging Face -----------------------------------------------------------------


class CLIPBlock(nn.Module):
    def __init__(self, width: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.layer_norm1, self.layer_norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.self_attn, self.mlp = nn.Module(), nn.Module()
        for name in ("q_proj", "k_proj", "v_proj", "out_proj"):
            setattr(self.self_attn, name, nn.Linear(width, width))
        self.mlp.fc1, self.mlp.fc2 = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        num_frames, num_tokens, width = x.shape
        y = self.layer_norm1(x)
        qkv = [
            getattr(self.self_attn, f"{one}_proj")(y).view(num_frames, num_tokens, self.num_heads, -1).transpose(1, 2)
            for one in "qkv"
        ]
        y = functional.scaled_dot_product_attention(*qkv).transpose(1, 2).reshape(num_frames, num_tokens, width)
        x = x + self.self_attn.out_proj(y)
        y = self.mlp.fc1(self.layer_norm2(x))
        # The original's quick approximation of GELU.
        return x + self.mlp.fc2(y * torch.sigmoid(1.702 * y))


class CLIPTower(nn.Module):
    def __init__(self, input_size: int, patch_size: int, size: tuple[int, int, int]) -> None:
        super().__init__()
        num_blocks, width, num_heads = size
        tower = self.vision_model = nn.Module()
        tower.embeddings, tower.encoder = nn.Module(), nn.Module()
        tower.embeddings.class_embedding = nn.Parameter(torch.zeros(width))
        tower.embeddings.patch_embedding = nn.Conv2d(3, width, patch_size, patch_size, bias=False)
        tower.embeddings.position_embedding = nn.Embedding(1 + (input_size // patch_size) ** 2, width)
        tower.pre_layrnorm = nn.LayerNorm(width)
        tower.encoder.layers = nn.ModuleList(CLIPBlock(width, num_heads) for _ in range(num_blocks))
        tower.post_layernorm = nn.LayerNorm(width)

    def forward(self, x: Tensor) -> Tensor:
        tower = self.vision_model
        x = tower.embeddings.patch_embedding(x).flatten(2).transpose(1, 2)
        x = torch.cat([tower.embeddings.class_embedding.expand(len(x), 1, -1), x], 1)
        x = tower.pre_layrnorm(x + tower.embeddings.position_embedding.weight)
        for block in tower.encoder.layers:
            x = block(x)
        return tower.post_layernorm(x[:, 0])


# EfficientNet-B4, as in torchvision -----------------------------------------------------------------------------------

# Expansion, kernel, stride, channels, repeats: B4's, after its width factor 1.4 and its depth factor 1.8.
EFFICIENTNET_B4 = (
    (1, 3, 1, 24, 2),
    (6, 3, 2, 32, 4),
    (6, 5, 2, 56, 4),
    (6, 3, 2, 112, 6),
    (6, 5, 1, 160, 6),
    (6, 5, 2, 272, 8),
    (6, 3, 1, 448, 2),
)


def conv_norm(width_in: int, width: int, kernel: int = 1, stride: int = 1, groups: int = 1) -> nn.Sequential:
    conv = nn.Conv2d(width_in, width, kernel, stride, kernel // 2, groups=groups, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(width, eps=1e-3))


class InvertedBottleneck(nn.Module):
    def __init__(self, width_in: int, width: int, expansion: int, kernel: int, stride: int) -> None:
        super().__init__()
        inner = width_in * expansion
        self.expand = conv_norm(width_in, inner) if expansion > 1 else None
        self.depthwise = conv_norm(inner, inner, kernel, stride, inner)
        self.squeeze, self.excite = nn.Conv2d(inner, width_in // 4, 1), nn.Conv2d(width_in // 4, inner, 1)
        self.project = conv_norm(inner, width)
        self.adds = stride == 1 and width_in == width

    def forward(self, x: Tensor) -> Tensor:
        y = functional.silu(self.expand(x)) if self.expand else x
        y = functional.silu(self.depthwise(y))
        y = y * torch.sigmoid(self.excite(functional.silu(self.squeeze(y.mean((2, 3), keepdim=True)))))
        y = self.project(y)
        return x + y if self.adds else y


class EfficientNetB4(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = conv_norm(3, 48, 3, 2)
        self.blocks = nn.Sequential()
        width_in = 48
        for expansion, kernel, stride, width, depth in EFFICIENTNET_B4:
            for number in range(depth):
                step = stride if number == 0 else 1
                self.blocks.append(InvertedBottleneck(width_in, width, expansion, kernel, step))
                width_in = width
        self.top = conv_norm(width_in, 1792)

    def forward(self, x: Tensor) -> Tensor:
        return functional.silu(self.top(self.blocks(functional.silu(self.stem(x))))).mean((2, 3))


# The plain network over clips -----------------------------------------------------------------------------------------


class SmallCNN(nn.Module):
    def __init__(self, channels=(16, 32, 64, 96)) -> None:
        super().__init__()
        self.blocks = nn.Sequential()
        width_in = 3
        for number, width in enumerate(channels):
            self.blocks.append(nn.Conv2d(width_in, width, 3, padding=1, bias=False))
            self.blocks.extend([nn.BatchNorm2d(width, eps=1e-3), nn.ReLU(), nn.MaxPool2d(2)])
            if number:
                self.blocks.append(nn.Dropout2d(0.1))
            width_in = width

    def forward(self, x: Tensor) -> Tensor:
        return self.blocks(x).mean((2, 3))


class OverTime(nn.Module):
    """A backbone over each frame and an LSTM over time: [B, T, C, H, W] -> [B, units]."""

    def __init__(self, backbone: nn.Module, width: int, units: int = 64) -> None:
        super().__init__()
        self.backbone = backbone
        self.lstm = nn.LSTM(width, units, batch_first=True)

    def forward(self, clips: Tensor) -> Tensor:
        features = self.backbone(clips.flatten(0, 1).contiguous(memory_format=torch.channels_last))
        return self.lstm(features.unflatten(0, clips.shape[:2]))[0][:, -1]
