"""Training a compact generator on pictures: data, discriminator, augmentation, latent codes, the loop, distances."""
