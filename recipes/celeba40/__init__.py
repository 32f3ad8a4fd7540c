"""Training and measuring the face extractors: data, augmentation, training, teachers' averages, figures."""
