"""The version of the package, which meson.build has, too."""

__version__ = "0.1.0"
