"""Hostile inputs by the thousand: `make fuzz`. Every answer must be one, or be refused in the words of vfmeta."""
