"""Google Cloud behind the ports: Cloud DNS, Cloud Run and Cloud SQL through google-api-python-client."""
