"""What keeps old parts of the field alive on a current Python: stock Dassl, mixed precision, torchvision, old checkpoints."""
