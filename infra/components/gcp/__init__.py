"""Parts of the site on Google Cloud."""
