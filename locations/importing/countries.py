"""Countries of Europe: their codes, and the time zone of those that have only one."""

# ISO 3166-1 alpha-2 and alpha-3, and the IANA name. No name: the country has several time zones.
_FACTS = """
AD AND Europe/Andorra      AL ALB Europe/Tirane      AT AUT Europe/Vienna
BA BIH Europe/Sarajevo     BE BEL Europe/Brussels    BG BGR Europe/Sofia
CH CHE Europe/Zurich       CY CYP Asia/Nicosia       CZ CZE Europe/Prague
DE DEU Europe/Berlin       DK DNK Europe/Copenhagen  EE EST Europe/Tallinn
ES ESP -                   FI FIN Europe/Helsinki    FR FRA Europe/Paris
GB GBR Europe/London       GR GRC Europe/Athens      HR HRV Europe/Zagreb
HU HUN Europe/Budapest     IE IRL Europe/Dublin      IS ISL Atlantic/Reykjavik
IT ITA Europe/Rome         LI LIE Europe/Vaduz       LT LTU Europe/Vilnius
LU LUX Europe/Luxembourg   LV LVA Europe/Riga        MC MCO Europe/Monaco
MD MDA Europe/Chisinau     ME MNE Europe/Podgorica   MK MKD Europe/Skopje
MT MLT Europe/Malta        NL NLD Europe/Amsterdam   NO NOR Europe/Oslo
PL POL Europe/Warsaw       PT PRT -                  RO ROU Europe/Bucharest
RS SRB Europe/Belgrade     SE SWE Europe/Stockholm   SI SVN Europe/Ljubljana
SK SVK Europe/Bratislava   SM SMR Europe/San_Marino  TR TUR Europe/Istanbul
UA UKR Europe/Kyiv
"""
_WORDS = _FACTS.split()

ALPHA_3: dict[str, str] = dict(zip(_WORDS[::3], _WORDS[1::3], strict=True))
TIME_ZONES: dict[str, str] = {
    alpha_3: zone for alpha_3, zone in zip(_WORDS[1::3], _WORDS[2::3], strict=True) if zone != "-"
}
