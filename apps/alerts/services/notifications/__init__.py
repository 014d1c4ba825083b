"""Notifications, from an alert's change to the message that is received.

`outbox` writes deliveries in the transaction of the change. `sender` runs the rounds: `claims`
leases due deliveries, `holds` decides which of them must wait or are no longer needed, `messages`
renders them, `attempts` sends them, and `results` stores the outcome and the next attempt. The
other modules manage what users configure.
"""
