"""Units of measure and conversion between them, exact where the definitions are.

Factors are those of the international yard and pound agreement of 1959 and of the SI brochure; gallons, quarts, pints
and fluid ounces are those of the United States.
"""

from dataclasses import dataclass
from fractions import Fraction
from typing import Final


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit: ``value * factor + offset`` is the value in the first unit of its dimension; `name` is the plural."""

    dimension: str
    name: str
    factor: Fraction
    offset: Fraction = Fraction(0)


# name: (factor, other spellings). The first of a dimension is what the others are counted in.
_TABLE: Final[dict[str, dict[str, tuple[str, str]]]] = {
    "length": {
        "metres": ("1", "m metre meter meters"),
        "kilometres": ("1000", "km kms kilometre kilometer kilometers"),
        "centimetres": ("0.01", "cm centimetre centimeter centimeters"),
        "millimetres": ("0.001", "mm millimetre millimeter millimeters"),
        "micrometres": ("0.000001", "µm um micrometre micrometer micrometers micron microns"),
        "nanometres": ("0.000000001", "nm nanometre nanometer nanometers"),
        "miles": ("1609.344", "mi mile"),
        "yards": ("0.9144", "yd yds yard"),
        "feet": ("0.3048", "ft foot"),
        "inches": ("0.0254", "inch in"),
        "nautical miles": ("1852", "nmi|nautical mile"),
        "light years": ("9460730472580800", "ly|light year|light-year|light-years"),
    },
    "mass": {
        "kilograms": ("1", "kg kgs kilo kilos kilogram kilogramme kilogrammes"),
        "grams": ("0.001", "g gram gramme grammes"),
        "milligrams": ("0.000001", "mg milligram milligramme milligrammes"),
        "tonnes": ("1000", "t tonne"),
        "pounds": ("0.45359237", "lb lbs pound"),
        "ounces": ("0.028349523125", "oz ounce"),
        "stone": ("6.35029318", "st stones"),
    },
    "time": {
        "seconds": ("1", "s sec secs second"),
        "milliseconds": ("0.001", "ms millisecond"),
        "minutes": ("60", "min mins minute"),
        "hours": ("3600", "h hr hrs hour"),
        "days": ("86400", "day"),
        "weeks": ("604800", "week"),
    },
    "area": {
        "square metres": ("1", "m2 m² sqm|square metre|square meter|square meters"),
        "square kilometres": ("1000000", "km2 km²|square kilometre|square kilometer|square kilometers"),
        "square miles": ("2589988.110336", "mi2 mi²|square mile|sq mi"),
        "square feet": ("0.09290304", "ft2 ft² sqft|square foot|sq ft"),
        "hectares": ("10000", "ha hectare"),
        "acres": ("4046.8564224", "acre"),
    },
    "volume": {
        "litres": ("1", "l litre liter liters"),
        "millilitres": ("0.001", "ml millilitre milliliter milliliters"),
        "centilitres": ("0.01", "cl centilitre centiliter centiliters"),
        "cubic metres": ("1000", "m3 m³|cubic metre|cubic meter|cubic meters"),
        "US gallons": ("3.785411784", "gal gallon gallons|us gallon"),
        "imperial gallons": ("4.54609", "|imperial gallon|uk gallon|uk gallons"),
        "US quarts": ("0.946352946", "qt quart quarts|us quart"),
        "US pints": ("0.473176473", "pint pints|us pint"),
        "imperial pints": ("0.56826125", "|imperial pint|uk pint|uk pints"),
        "US fluid ounces": ("0.0295735295625", "floz|fl oz|fluid ounce|fluid ounces|us fluid ounce"),
    },
    "speed": {
        "metres per second": ("1", "m/s mps|metre per second|meters per second|meter per second"),
        "kilometres per hour": (
            "5/18",
            "km/h kmh kph|kilometre per hour|kilometers per hour|kilometer per hour|km per hour",
        ),
        "miles per hour": ("0.44704", "mph mi/h|mile per hour"),
        "knots": ("463/900", "kn kt knot"),
        "feet per second": ("0.3048", "ft/s fps|foot per second"),
    },
    "information": {
        "bytes": ("1", "B byte"),
        "bits": ("0.125", "bit"),
        "kilobytes": ("1000", "kB KB kilobyte"),
        "megabytes": ("1000000", "MB megabyte"),
        "gigabytes": ("1000000000", "GB gigabyte"),
        "terabytes": ("1000000000000", "TB terabyte"),
        "kibibytes": ("1024", "KiB kibibyte"),
        "mebibytes": ("1048576", "MiB mebibyte"),
        "gibibytes": ("1073741824", "GiB gibibyte"),
        "tebibytes": ("1099511627776", "TiB tebibyte"),
    },
    "energy": {
        "joules": ("1", "J joule"),
        "kilojoules": ("1000", "kJ kilojoule"),
        "calories": ("4.184", "cal calorie"),
        "kilocalories": ("4184", "kcal kilocalorie"),
        "watt hours": ("3600", "Wh|watt hour|watt-hour|watt-hours"),
        "kilowatt hours": ("3600000", "kWh|kilowatt hour|kilowatt-hour|kilowatt-hours"),
    },
}
_DEGREES: Final[dict[str, tuple[str, str, str]]] = {  # to kelvins: factor, offset
    "kelvins": ("1", "0", "K kelvin"),
    "degrees Celsius": ("1", "273.15", "C °C celsius centigrade|degrees c|degree celsius|degrees centigrade|deg c"),
    "degrees Fahrenheit": ("5/9", "45967/180", "F °F fahrenheit|degrees f|degree fahrenheit|deg f"),
}


def unit(spelling: str) -> Unit | None:
    """Return the unit of this spelling, or None. Symbols count with their case where only that tells them apart."""
    words = " ".join(spelling.split())
    folded = words.casefold() if len(words) > 2 or not words.endswith(("b", "B")) else words
    return _UNITS.get(words) or _UNITS.get(folded)


def convert(value: Fraction, source: Unit, target: Unit) -> Fraction:
    """Return a value in another unit.

    Raises ValueError when the units measure different things, or the value is below absolute zero.
    """
    if source.dimension != target.dimension:
        raise ValueError(f"{source.name} measure {source.dimension}, {target.name} {target.dimension}")
    base = value * source.factor + source.offset
    if source.dimension == "temperature" and base < 0:
        raise ValueError("below absolute zero, -273.15 degrees Celsius")
    return (base - target.offset) / target.factor


def named(figures: str, measure: Unit) -> str:
    """Return figures with the name of a unit: ``1 mile``, ``3 miles``."""
    if figures != "1":
        return f"{figures} {measure.name}"
    return f"1 {_ONE.get(measure.name) or measure.name.replace('s per ', ' per ').removesuffix('s')}"


def _spelt() -> dict[str, Unit]:
    found: dict[str, Unit] = {}
    rows = [
        (Unit(dimension, name, Fraction(factor)), spellings)
        for dimension, units in _TABLE.items()
        for name, (factor, spellings) in units.items()
    ]
    rows += [
        (Unit("temperature", name, Fraction(factor), Fraction(offset)), spellings)
        for name, (factor, offset, spellings) in _DEGREES.items()
    ]
    for made, spellings in rows:
        symbols, *phrases = spellings.split("|")
        for spelling in (made.name, *symbols.split(), *phrases):
            found.setdefault(spelling, made)
            if made.dimension != "information" or spelling.islower():  # "Mb" would be megabits
                found.setdefault(spelling.casefold(), made)
    return found


_UNITS: Final = _spelt()
_ONE: Final = {"feet": "foot", "inches": "inch", "square feet": "square foot", "feet per second": "foot per second"} | {
    f"degrees {scale}": f"degree {scale}" for scale in ("Celsius", "Fahrenheit")
}
