/* SPDX-License-Identifier: MIT */
/*
 * A panel shows all of one texture. Two things make the picture depend on every page of it: level 0 is
 * read with as many vertical taps as it takes to skip no row of texels, and the local contrast is raised
 * by what the smaller levels say, a different level in each sample of the final picture's pixel.
 */
#version 450

layout(set = 0, binding = 0) uniform sampler2D tex;
layout(push_constant) uniform Push
{
	vec4 rect;
	vec2 inset;
	int taps;
	int levels;
} push;

layout(location = 0) in vec2 place;
layout(location = 1) in vec3 normal;
layout(location = 2) in vec2 wall;
layout(location = 3) flat in int part;
layout(location = 0) out vec4 colour;

const vec3 SUN = vec3(-0.45, -0.62, 0.64);

vec4 column(vec2 uv, vec2 step, float level)
{
	vec4 sum = vec4(0.0);

	for (int i = 0; i < push.taps; i++) {
		float at = (float(i) + 0.5) / float(push.taps) - 0.5;

		sum += textureLod(tex, uv + step * at, level);
	}
	return sum / float(push.taps);
}

vec3 plaster()
{
	float light = 1.0 - 0.35 * length(wall - vec2(-0.3, -0.6));

	return vec3(0.42, 0.40, 0.37) * light + 0.012 * sin(wall.x * 400.0) * sin(wall.y * 160.0);
}

vec3 frame(vec2 uv)
{
	vec2 out_by = max(max(-uv, uv - 1.0) / push.inset, 0.0);
	float bevel = sin(3.14159 * clamp(max(out_by.x, out_by.y), 0.0, 1.0));
	float light = 0.45 + 0.4 * bevel + 0.25 * dot(normal, SUN);

	return vec3(0.62, 0.47, 0.24) * light;
}

vec3 painting(vec2 uv)
{
	vec2 down = dFdy(uv);
	ivec2 at = ivec2(gl_FragCoord.xy) & 3;
	int level = 1 + (at.x + 4 * at.y) % (push.levels - 1);
	vec4 sharp = column(uv, down, 0.0);
	vec4 soft = column(uv, 2.0 * down, float(level));
	vec3 relief = normal + vec3(dFdx(sharp.a), dFdy(sharp.a), 0.0) * -4.0;
	vec3 lit = normalize(relief);
	float light = 0.35 + 0.75 * max(dot(lit, SUN), 0.0);
	float glint = pow(max(reflect(-SUN, lit).z, 0.0), 24.0);

	return clamp(sharp.rgb + 0.6 * (sharp.rgb - soft.rgb), 0.0, 1.0) * light + 0.18 * glint;
}

void main()
{
	vec2 uv = (place - push.inset) / (1.0 - 2.0 * push.inset);
	vec2 edge = min(place, 1.0 - place);
	vec3 paint;

	if (part == 2) {
		paint = plaster();
	} else if (part == 1) {
		paint = plaster() * mix(1.0, 0.35, smoothstep(0.0, 0.12, min(edge.x, edge.y)));
	} else {
		paint = painting(uv);
		if (uv != clamp(uv, 0.0, 1.0))
			paint = frame(uv);
	}
	colour = vec4(paint, 1.0);
}
