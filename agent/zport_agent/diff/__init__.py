"""Where two machines part: the values between a model's operators, made visible and compared."""
