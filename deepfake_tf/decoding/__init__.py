"""From the bytes of a video to its frames as RGB pictures."""
