"""Parts of the site on AWS."""
