"""Files to frames and waveforms, and back: the only caller of the decoder."""
