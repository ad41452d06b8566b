"""As whom to ask a registry: where credentials are kept, and the ways of showing them."""
