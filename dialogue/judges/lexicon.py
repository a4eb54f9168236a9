"""The word lists behind the comparison of facts. English only."""

_FUNCTION = """
a an the this that these those it its he she they we i you his her their our my your him them us me who
whom whose which what when where why how there here of to in on at by for from with as into onto upon
over under about after before between among through during within without against and or but nor so yet
if then than because while although though since until is are was were be been being am has have had
having do does did doing will would can could may might shall should must not no also too very just only
even still such each every both some any all most many much more less other another own same up down out
off again ever never s t
"""
_INITIAL = """
yes well today now later first finally however according like unlike despite once one two three four five
six seven eight nine ten several few no nobody nothing people someone everyone
"""
_FORMS = """
began:begin begun:begin made:make found:find wrote:write written:write led:lead won:win became:become
built:build held:hold gave:give given:give took:take taken:take went:go gone:go said:say came:come
knew:know known:know grew:grow grown:grow left:leave ran:run sang:sing saw:see seen:see sold:sell
sent:send spent:spend stood:stand told:tell thought:think understood:understand bought:buy brought:bring
caught:catch taught:teach children:child men:man women:woman people:person feet:foot mice:mouse
fought:fight died:die dies:die lay:lie lies:lie met:meet paid:pay kept:keep felt:feel fell:fall
fallen:fall drew:draw drawn:draw chose:choose chosen:choose broke:break broken:break spoke:speak
spoken:speak rose:rise risen:rise flew:fly flown:fly
"""
_OPPOSED = """
begins|starts/ends rises/falls increases/decreases|reduces gains/loses wins/loses opens/closes started/ended
more/less|fewer higher/lower highest/lowest taller/shorter tallest/shortest longer/shorter
longest/shortest larger|bigger|greater/smaller largest|biggest|greatest/smallest most/least high/low
large|big/small hot/cold hotter|warmer/colder|cooler hottest|warmest/coldest|coolest warm/cool
faster/slower fastest/slowest fast/slow older/younger|newer oldest/youngest|newest early/late
earlier/later earliest/latest before/after first/last increase/decrease increased/decreased|reduced|fell
rise/fall rose/fell grow/shrink gain/lose won/lost win/lose north/south northern/southern east/west
eastern/western northeast/southwest southeast/northwest northeast/southeast northeast/northwest
southwest/northwest southwest/southeast above/below over/under upper/lower inside/outside heavier/lighter
heaviest/lightest heavy/light deep/shallow deeper/shallower deepest/shallowest rich/poor strong/weak
stronger/weaker strongest/weakest always/never|sometimes all/none|some begin/end began/ended open/closed
opened/closed best/worst better/worse good/bad true/false possible/impossible alive/dead born/died
male/female man/woman men/women boy/girl father/mother son/daughter brother/sister king/queen
husband/wife positive/negative import/export accept/reject accepted/rejected|refused allow/forbid
allowed/banned|forbidden cause/prevent causes/prevents common/rare public/private major/minor
majority/minority maximum/minimum safe/dangerous left/right day/night summer/winter morning/evening
wet/dry easy/difficult|hard easier/harder steeper/gentler nearest/farthest|furthest
closer/farther|further often/rarely|seldom same/different success/failure succeeded/failed agree/disagree
agreed/disagreed support/oppose supported/opposed buy/sell bought/sold arrived/left|departed with/without
full/empty thick/thin wide/narrow wider/narrower widest/narrowest
"""

FUNCTION_WORDS = frozenset(_FUNCTION.split())
INITIALS = FUNCTION_WORDS | frozenset(_INITIAL.split())  # a capital on these, opening a sentence, tells no name
IRREGULAR = {form: base for form, base in (pair.split(":") for pair in _FORMS.split())}


def _opposites() -> dict[str, frozenset[str]]:
    table: dict[str, set[str]] = {}
    for pair in _OPPOSED.split():
        left, right = (side.split("|") for side in pair.split("/"))
        for one in left:
            table.setdefault(one, set()).update(right)
        for one in right:
            table.setdefault(one, set()).update(left)
    return {word: frozenset(others) for word, others in table.items()}


OPPOSITES = _opposites()  # each word of direction with those that say the contrary
