"""Frame networks, one file each, written with keras and keras.ops only.

A file exposes:
  build(image_size, **settings) -> keras.Model    pixels float32 [B, H, W, 3] in [0, 255] -> features [B, D];
                                                  scaling is inside, H = W = image_size; what it computes does not
                                                  depend on where its weights came from
  sample(hp) -> dict                              settings drawn by Keras Tuner, apart from build: plain JSON values
  TINY: dict                                      settings of a variant small enough for tests
  SOURCE: str                                     where the network comes from
  IMAGE_SIZE: int                                 H = W that it was made for; others work
  BLOCK: str                                      regular expression that finds in the path of a weight the block that
                                                  it belongs to; groups number the block
  WEIGHTS: tuple (may be left out)                what can be asked for as the setting `weights`
"""
