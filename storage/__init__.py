"""Where data lies: files, formats, blocks, the cache, and files of our own."""
