"""Documents: what a business writes, signs, packs and keeps."""
