"""The ways in which a message leaves: email, SMS, Web Push and webhooks."""
