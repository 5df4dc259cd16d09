"""Everything that opens a media file."""
