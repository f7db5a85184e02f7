"""What has to be true before a failover can be trusted, judged from facts that were gathered elsewhere. Pure."""
