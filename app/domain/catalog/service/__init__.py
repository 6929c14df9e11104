"""Rules of the catalogue, by verb."""
