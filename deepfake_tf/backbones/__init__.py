"""Frame networks, one file each, written with keras and keras.ops only.

A file exposes:
  build(image_size, **settings) -> keras.Model    pixels float32 [B, H, W, 3] in [0, 255] -> features [B, D];
                                                  scaling is inside, H = W = image_size
  sample(hp) -> dict                              settings drawn by Keras Tuner, apart from build: plain JSON values
  TINY: dict                                      settings of a variant small enough for tests
  SOURCE: str                                     where the network comes from
"""
