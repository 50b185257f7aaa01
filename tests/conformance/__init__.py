"""What of OCPI is shown to be kept, by which test: `docs/conformance.md` is written from here."""
