"""Package deepfake of the gateway's messages."""
