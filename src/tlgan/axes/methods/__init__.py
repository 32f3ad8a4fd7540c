"""Ways of finding directions, one a file, each by the hook `tlgan.hooks.AXIS_METHODS`."""
