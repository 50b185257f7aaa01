"""Rows of files that show how cells are written. They are no rows of anybody: mend them first."""

LOCATION = {
    "ocpi_id": "EXAMPLE-1",
    "publish": "false",
    "name": "Example: town hall",
    "address": "Example Street 1",
    "city": "Ulm",
    "postal_code": "89073",
    "country": "DEU",
    "latitude": "48.397000",
    "longitude": "9.991000",
    "time_zone": "Europe/Berlin",
    "parking_type": "PARKING_LOT",
    "facilities": "BUS_STOP;WIFI",
    "open_always": "no",
    "monday": "08:00-12:00, 13:00-18:00",
    "tuesday": "08:00-18:00",
}
EVSE = {
    "location__ocpi_id": "EXAMPLE-1",
    "uid": "EXAMPLE-1-A",
    "evse_id": "DE*ABC*EEXAMPLE1A",
    "status": "PLANNED",
    "capabilities": "REMOTE_START_STOP_CAPABLE;RFID_READER",
    "physical_reference": "A",
    "connector_1_id": "1",
    "connector_1_standard": "IEC_62196_T2",
    "connector_1_format": "SOCKET",
    "connector_1_power_type": "AC_3_PHASE",
    "connector_1_max_voltage": "230",
    "connector_1_max_amperage": "32",
}
