"""Who programs are to each other: certificates of private authorities, what is named in them, and where an authority's key lies."""
