"""Temporal heads, one file each, written with keras and keras.ops only.

A file exposes:
  build(num_frames, width, **settings) -> keras.Model   features [B, T, D] with D = width, mask bool [B, T]
                                                        -> [B, D']; what is masked out has no influence
  sample(hp) -> dict                                    settings drawn by Keras Tuner: plain JSON values
  TINY: dict                                            settings of a variant small enough for tests
  SOURCE: str                                           where the head comes from
"""
