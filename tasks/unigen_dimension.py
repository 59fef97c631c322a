"""The 27 dimensions of UniGenBench: what each asks, in one line of our own, and its name in the Chinese files."""

from __future__ import annotations

from collections.abc import Mapping

DEFINITIONS: Mapping[str, str] = {
    "Action - Animal": "the animal does what is described, with its body in a posture that fits",
    "Action - Contact Interaction": "the entities named touch each other in the way described",
    "Action - Full-body (Character/Anthropomorphic)": "the whole body of the figure carries out the described movement",
    "Action - Hand (Character/Anthropomorphic)": "hands and fingers do what is described and are formed well enough",
    "Action - Non-contact Interaction": "the entities act on each other as described without touching",
    "Action - State": "the entity is in the described state, such as standing, floating or burning",
    "Attribute - Color": "the entity has the colour described",
    "Attribute - Expression": "the face shows the feeling described",
    "Attribute - Material": "the entity is visibly made of the material described",
    "Attribute - Quantity": "the number of entities is exactly the one described",
    "Attribute - Shape": "the entity has the shape described",
    "Attribute - Size": "the entity has the size described, by itself or beside others",
    "Compound - Feature Matching": "every entity has its own features, and none has those of another",
    "Compound - Imagination": "the combination that does not exist in reality is shown as described, as one whole",
    "Entity Layout - Three-Dimensional Space": "entities stand before, behind, in or around each other as described",
    "Entity Layout - Two-Dimensional Space": "entities lie left, right, above or below in the picture as described",
    "Grammar - Consistency": "what the sentence says of several entities at once holds for every one of them",
    "Grammar - Negation": "what the sentence excludes is absent",
    "Grammar - Pronoun Reference": "what is said of a pronoun holds for the entity that the pronoun stands for",
    "Logical Reasoning": "what follows from the sentence without being said in it is shown",
    "Relationship - Comparison": "the difference between the entities, such as taller or fewer, is as described",
    "Relationship - Composition": "the whole consists of the parts described",
    "Relationship - Inclusion": "the thing is inside, or part of, the container or set described",
    "Relationship - Similarity": "the entities resemble each other in the way described",
    "Style": "the picture is made in the style described",
    "Text Generation": "the words described stand in the picture, spelled exactly and legibly",
    "World Knowledge": "the famous thing, person, place or fact is shown so that it can be recognised",
}
PRIMARIES = tuple(dict.fromkeys(name.partition(" - ")[0] for name in DEFINITIONS))
"""The ten wider dimensions."""
CHINESE: Mapping[str, str] = {
    "动作-动物动作": "Action - Animal",
    "动作-实体间有接触互动": "Action - Contact Interaction",
    "动作-人物/拟人全身动作": "Action - Full-body (Character/Anthropomorphic)",
    "动作-人物/拟人手部动作": "Action - Hand (Character/Anthropomorphic)",
    "动作-实体间无接触互动": "Action - Non-contact Interaction",
    "动作-状态": "Action - State",
    "属性-颜色": "Attribute - Color",
    "属性-表情": "Attribute - Expression",
    "属性-材质": "Attribute - Material",
    "属性-数量": "Attribute - Quantity",
    "属性-形状": "Attribute - Shape",
    "属性-大小": "Attribute - Size",
    "复合考点-不同实体特征匹配": "Compound - Feature Matching",
    "复合考点-想象力": "Compound - Imagination",
    "实体布局-三维空间": "Entity Layout - Three-Dimensional Space",
    "实体布局-二维空间": "Entity Layout - Two-Dimensional Space",
    "语法-统一性": "Grammar - Consistency",
    "语法-否定": "Grammar - Negation",
    "语法-代词指代": "Grammar - Pronoun Reference",
    "逻辑推理": "Logical Reasoning",
    "关系-比较关系": "Relationship - Comparison",
    "关系-构成关系": "Relationship - Composition",
    "关系-包含关系": "Relationship - Inclusion",
    "关系-相似关系": "Relationship - Similarity",
    "风格": "Style",
    "文本生成": "Text Generation",
    "世界知识": "World Knowledge",
}
"""The English name of each dimension of the Chinese files."""
