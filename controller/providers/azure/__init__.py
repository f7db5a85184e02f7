"""Azure: Azure DNS with Traffic Manager, Container Apps, and PostgreSQL Flexible Server, through the vendor's own SDK."""
