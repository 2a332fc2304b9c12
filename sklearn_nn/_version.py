"""The release that this code is, as meson.build has it too."""

__version__ = "0.1.0"
