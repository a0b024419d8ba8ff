/* SPDX-License-Identifier: MIT */
/*
 * The room: the wall target seen straight on in the upper part, a tiled floor that reflects it, and
 * polished balls. One unit is one pixel at the distance of the wall. Every sample of the wall target
 * enters the picture: nothing stands in front of the wall.
 */
#version 450

layout(set = 0, binding = 0) uniform sampler2D wall;
layout(push_constant) uniform Push
{
	vec2 picture;
	vec2 wall_size;
	int samples;
} push;

layout(location = 0) out vec4 colour;

const float FOCAL = 1100.0;
const float FLOOR = 256.0;
const int BALLS = 7;
const vec4 BALL[BALLS] = vec4[](vec4(-318, 214, 670, 42), vec4(-212, 226, 640, 30),
				vec4(-106, 214, 690, 42), vec4(0, 228, 635, 28), vec4(106, 214, 690, 42),
				vec4(212, 226, 640, 30), vec4(318, 214, 670, 42));
const vec3 TINT[BALLS] = vec3[](vec3(1.0, 0.85, 0.55), vec3(0.95, 0.55, 0.5), vec3(0.95, 0.97, 1.0),
				vec3(0.55, 0.85, 0.7), vec3(1.0, 0.75, 0.45), vec3(0.6, 0.7, 1.0),
				vec3(0.95, 0.95, 0.9));

vec3 wall_at(vec2 p, float level)
{
	vec2 uv = vec2(p.x + 0.5 * push.wall_size.x, p.y + FLOOR) / push.wall_size;

	return textureLod(wall, uv, level).rgb;
}

/* The pixel's own samples, each exactly once. */
vec3 wall_pixel(ivec2 pixel)
{
	vec3 sum = vec3(0.0);

	for (int y = 0; y < push.samples; y++)
		for (int x = 0; x < push.samples; x++)
			sum += texelFetch(wall, pixel * push.samples + ivec2(x, y), 0).rgb;
	return sum / float(push.samples * push.samples);
}

/* What a ray that leaves the balls meets: the wall before, its twin behind, lamps above. y is down. */
vec3 surroundings(vec3 from, vec3 dir, float level)
{
	float plane = dir.z > 0.0 ? FOCAL : -FOCAL;
	vec3 hit = from + dir * ((plane - from.z) / (abs(dir.z) < 1e-4 ? 1e-4 : dir.z));
	vec2 half_size = vec2(0.5 * push.wall_size.x, FLOOR);
	float lamp = smoothstep(0.55, 0.95, -dir.y) * (0.55 + 0.45 * cos(dir.x * 26.0));
	vec3 dim = mix(vec3(0.16, 0.15, 0.15), vec3(1.0, 0.95, 0.85), lamp);

	if (abs(hit.x) > half_size.x || abs(hit.y) > half_size.y)
		return dim;
	return wall_at(hit.xy, level);
}

vec3 tiles(vec3 p)
{
	vec2 cell = floor(p.xz / 64.0);
	vec2 edge = abs(fract(p.xz / 64.0) - 0.5);
	float dark = mod(cell.x + cell.y, 2.0);
	vec3 stone = mix(vec3(0.52, 0.49, 0.45), vec3(0.17, 0.17, 0.19), dark);

	return stone * (1.0 - 0.5 * smoothstep(0.475, 0.5, max(edge.x, edge.y)));
}

float open_sky(vec3 p)
{
	float light = 1.0;

	for (int i = 0; i < BALLS; i++) {
		float d = distance(p.xz, BALL[i].xz - vec2(-10.0, 6.0)) / BALL[i].w;

		light *= mix(0.25, 1.0, smoothstep(0.2, 1.7, d));
	}
	return light;
}

float meet(vec3 from, vec3 dir, vec4 ball)
{
	vec3 to = ball.xyz - from;
	float along = dot(to, dir);
	float miss = dot(to, to) - along * along;
	float room = ball.w * ball.w - miss;

	return room < 0.0 || along < 0.0 ? -1.0 : along - sqrt(room);
}

int nearest(vec3 from, vec3 dir, out float dist)
{
	int which = -1;

	dist = 1e9;
	for (int i = 0; i < BALLS; i++) {
		float t = meet(from, dir, BALL[i]);

		if (t > 0.01 && t < dist) {
			dist = t;
			which = i;
		}
	}
	return which;
}

vec3 ground(vec3 p, vec3 dir)
{
	vec3 up = vec3(dir.x, -dir.y, dir.z);
	float far = clamp((FOCAL - p.z) / FOCAL, 0.0, 1.0);
	vec3 mirror = surroundings(p, up, 1.0 + 5.0 * far);
	float shine = 0.2 + 0.5 * pow(1.0 - abs(dir.y), 3.0);

	return mix(tiles(p) * open_sky(p), mirror, shine * (0.4 + 0.6 * open_sky(p)));
}

vec3 ball(vec3 p, vec3 dir, int which)
{
	vec3 n = normalize(p - BALL[which].xyz);
	vec3 away = reflect(dir, n);
	float rim = pow(1.0 - max(dot(-dir, n), 0.0), 4.0);
	float lamp = pow(max(dot(away, normalize(vec3(-0.4, -0.8, -0.45))), 0.0), 90.0);
	vec3 seen;

	if (away.y > 0.02) {
		vec3 q = p + away * ((FLOOR - p.y) / away.y);

		seen = mix(tiles(q) * open_sky(q), vec3(0.2), clamp(length(q - p) / 1500.0, 0.0, 1.0));
	} else {
		seen = surroundings(p, away, 2.5);
	}
	return seen * mix(TINT[which], vec3(1.0), rim) * 0.9 + lamp;
}

vec3 look(vec2 at)
{
	vec3 dir = normalize(vec3(at.x - 0.5 * push.picture.x, at.y - FLOOR, FOCAL));
	float dist;
	int which = nearest(vec3(0.0), dir, dist);

	if (which >= 0)
		return ball(dir * dist, dir, which);
	return ground(dir * (FLOOR / dir.y), dir);
}

void main()
{
	vec2 at = gl_FragCoord.xy;
	vec2 off = at / push.picture - 0.5;
	vec3 paint = vec3(0.0);

	if (at.y < push.wall_size.y)
		paint = wall_pixel(ivec2(at));
	else
		for (int i = 0; i < 4; i++)
			paint += 0.25 * look(at + vec2(i & 1, i >> 1) * 0.5 - 0.25);
	colour = vec4(paint * (1.08 - 0.45 * dot(off, off)), 1.0);
}
