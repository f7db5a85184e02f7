"""From empty databases to one writer and its followers: what has to be done as data, and who does it. The lab and `trimaran
bootstrap` found alike."""
