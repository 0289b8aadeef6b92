"""What a client does with its connection: submit, wait, look up, store; over Redis or in memory."""
