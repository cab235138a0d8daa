"""`python -m keras_seg.cli`, where no `keras-seg` is on the path."""

from keras_seg.cli.start import main

if __name__ == "__main__":
    main()
