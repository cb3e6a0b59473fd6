"""Letters that look like Latin ones, after Unicode TR39, for reading a text as a person would see it."""

# ruff: noqa: RUF001 - ambiguous characters are the subject

_LOOKALIKES = (
    # Cyrillic
    "аa ВB вb сc СC ԁd ԀD еe ЕE ёe ЁE һh ҺH Нh нh іi ІI ӏl ЈJ јj КK кk ԛq ԚQ МM мm оo ОO рp РP ѕs ЅS ТT "
    "тt уy УY ѵv ѴV "
    "ԝw ԜW хx ХX ҮY үy АA Гr гr ԍg ИN иn пn Пn зz Ӏl "
    # Greek
    "αa ΑA βb ΒB ϲc ϹC δd εe ΕE ηn ΗH ιi ΙI κk ΚK ΜM νv ΝN οo ΟO ρp ΡP ςs σo τt ΤT υu ΥY χx ΧX γy ωw ΖZ ϳj "
    # Latin letters and signs of other shapes
    "ɑa ʙb ᴄc ᴅd ɗd ᴇe ɛe ꜰf ɡg ɢg ʜh ɪi ıi ɩi ᴊj ᴋk ʟl ᴍm ɴn ᴏo øo ØO ᴘp ʀr ꜱs ᴛt ᴜu ᴠv ᴡw ʏy ᴢz łl ŁL "
    "đd ĐD ħh ŧt "
    "ƒf ƙk ƥp ʋv ɲn ʂs ƶz "
    "ǀl ∣l ⅼl ℓl ∨v ∪u ⊂c "
    # Armenian, Cherokee, Lisu
    "աw ԁd սu օo հh ցg զq ոn յj Տs Օo "
    "ᎪA ᏴB ᏟC ᎠD ᎬE ᎻH ᎢT ᎫJ ᏦK ᏞL ᎷM ᏃZ ᏢP ᎡR ᏚS ᏙV ᎳW "
)

TO_LATIN: dict[int, str] = {ord(pair[0]): pair[1] for pair in _LOOKALIKES.split()}
