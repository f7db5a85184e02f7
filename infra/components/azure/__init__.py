"""Parts of the site on Azure."""
