"""Sites as a network: how available they are, and how good what we say of them is."""
