"""Receivers of messages: signed webhooks, PagerDuty, Slack; and the heartbeat's. One module per way of being told."""
