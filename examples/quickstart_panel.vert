/* SPDX-License-Identifier: MIT */
/*
 * The wall of the gallery, three instances a panel: the domed panel, its shadow behind it, and the
 * plaster behind both. No vertex buffer: a grid of cells is computed from the vertex index.
 */
#version 450

layout(push_constant) uniform Push
{
	vec4 rect;
	vec2 inset;
	int taps;
	int levels;
} push;

layout(location = 0) out vec2 place;
layout(location = 1) out vec3 normal;
layout(location = 2) out vec2 wall;
layout(location = 3) flat out int part;

const int CELLS = 16;
const vec2 CORNER[6] = vec2[](vec2(0, 0), vec2(1, 0), vec2(0, 1), vec2(0, 1), vec2(1, 0), vec2(1, 1));

void main()
{
	int cell = gl_VertexIndex / 6;
	vec2 at = (vec2(cell % CELLS, cell / CELLS) + CORNER[gl_VertexIndex % 6]) / float(CELLS);
	vec2 bow = 1.0 - 4.0 * (at - 0.5) * (at - 0.5);
	vec2 size = push.rect.zw - push.rect.xy;
	vec2 ndc = mix(push.rect.xy, push.rect.zw, at);
	float depth = 0.5 - 0.3 * bow.x * bow.y;

	part = gl_InstanceIndex;
	if (part == 1) {
		ndc += size * (0.12 * (at - 0.5) + vec2(0.02, 0.05));
		depth = 0.7;
	} else if (part == 2) {
		ndc = 2.0 * at - 1.0;
		depth = 0.9;
	}
	place = at;
	wall = ndc;
	normal = normalize(vec3(1.1 * (at.x - 0.5) * bow.y, 1.1 * (at.y - 0.5) * bow.x, 1.0));
	gl_Position = vec4(ndc, depth, 1.0);
}
