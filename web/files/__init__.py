"""Files of messages: taking them in, reading what they are from their bytes, previews of pictures, removing what is deleted."""

from .kinds import INLINE
from .names import header_name
from .shelf import FileShelf, Upload

__all__ = ["INLINE", "FileShelf", "Upload", "header_name"]
