"""Named lists of augmentation ops, one file each: it exposes OPS, a tuple, and its docstring says what it is for."""
