"""The examples, built and run as their READMEs say, against running gateways."""
