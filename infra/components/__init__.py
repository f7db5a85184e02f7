"""Parts of a site, shaped the same in every cloud, written apart for each: what they share is what they export, not how it is made."""
