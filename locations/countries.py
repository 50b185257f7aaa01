"""Countries: their codes, the time zone of those that have only one, and about where they are."""

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
UA UKR Europe/Kyiv         JP JPN Asia/Tokyo
"""
_WORDS = _FACTS.split()

ALPHA_3: dict[str, str] = dict(zip(_WORDS[::3], _WORDS[1::3], strict=True))
TIME_ZONES: dict[str, str] = {
    alpha_3: zone for alpha_3, zone in zip(_WORDS[1::3], _WORDS[2::3], strict=True) if zone != "-"
}

# ISO 3166-1 alpha-3, all of them, and the code that everybody uses for Kosovo.
_ALL = """
ABW AFG AGO AIA ALA ALB AND ARE ARG ARM ASM ATA ATF ATG AUS AUT AZE BDI BEL BEN BES BFA BGD BGR
BHR BHS BIH BLM BLR BLZ BMU BOL BRA BRB BRN BTN BVT BWA CAF CAN CCK CHE CHL CHN CIV CMR COD COG
COK COL COM CPV CRI CUB CUW CXR CYM CYP CZE DEU DJI DMA DNK DOM DZA ECU EGY ERI ESH ESP EST ETH
FIN FJI FLK FRA FRO FSM GAB GBR GEO GGY GHA GIB GIN GLP GMB GNB GNQ GRC GRD GRL GTM GUF GUM GUY
HKG HMD HND HRV HTI HUN IDN IMN IND IOT IRL IRN IRQ ISL ISR ITA JAM JEY JOR JPN KAZ KEN KGZ KHM
KIR KNA KOR KWT LAO LBN LBR LBY LCA LIE LKA LSO LTU LUX LVA MAC MAF MAR MCO MDA MDG MDV MEX MHL
MKD MLI MLT MMR MNE MNG MNP MOZ MRT MSR MTQ MUS MWI MYS MYT NAM NCL NER NFK NGA NIC NIU NLD NOR
NPL NRU NZL OMN PAK PAN PCN PER PHL PLW PNG POL PRI PRK PRT PRY PSE PYF QAT REU ROU RUS RWA SAU
SDN SEN SGP SGS SHN SJM SLB SLE SLV SMR SOM SPM SRB SSD STP SUR SVK SVN SWE SWZ SXM SYC SYR TCA
TCD TGO THA TJK TKL TKM TLS TON TTO TUN TUR TUV TWN TZA UGA UKR UMI URY USA UZB VAT VCT VEN VGB
VIR VNM VUT WLF WSM YEM ZAF ZMB ZWE XKX
"""
CODES = frozenset(_ALL.split())

# West, south, east, north in whole degrees, with islands and some room: for what is far off only.
# ISO 3166-1 alpha-3. A country that is not here is not judged.
_BOXES = """
ALB 19 39 22 43   AUT 9 46 18 50    BEL 2 49 7 52     BGR 22 41 29 45   BIH 15 42 20 46
CHE 5 45 11 48    CYP 32 34 35 36   CZE 12 48 19 52   DEU 5 47 16 56    DNK 7 54 16 58
ESP -19 27 5 44   EST 21 57 29 60   FIN 19 59 32 71   FRA -62 -22 56 52 GBR -9 49 2 61
GRC 19 34 30 42   HRV 13 42 20 47   HUN 16 45 23 49   IRL -11 51 -5 56  ISL -25 63 -13 67
ITA 6 35 19 48    JPN 122 20 154 46 LIE 9 47 10 48    LTU 20 53 27 57   LUX 5 49 7 51
LVA 20 55 29 59   MCO 7 43 8 44     MDA 26 45 31 49   MKD 20 40 24 43   MLT 14 35 15 37
MNE 18 41 21 44   NLD 3 50 8 54     NOR -10 57 35 81  POL 14 48 25 55   PRT -32 32 -6 43
ROU 20 43 30 49   SMR 12 43 13 45   SRB 18 42 24 47   SVK 16 47 23 50   SVN 13 45 17 47
SWE 10 55 25 70   TUR 25 35 45 43   UKR 22 44 41 53
"""
_NUMBERS = _BOXES.split()
BOXES: dict[str, tuple[int, int, int, int]] = {
    name: (int(west), int(south), int(east), int(north))
    for name, west, south, east, north in zip(
        *(_NUMBERS[place::5] for place in range(5)), strict=True
    )
}
