"""Tables and queues, with the limits of Azure's tables enforced and storage's own clock kept."""
