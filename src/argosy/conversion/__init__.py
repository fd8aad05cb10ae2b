"""From a trained model to a proven entry of the model store: export, optimise, build, validate, package."""
