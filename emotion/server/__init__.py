"""The web page and API of `emotion serve`."""
